"""Reading files from elsewhere: text in any encoding, model weights, and hashes of files."""
