"""Files from elsewhere: text in any encoding, model weights, and the hashes of files."""
