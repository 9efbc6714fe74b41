"""What was chosen: hits and their chance, and methods compared by them."""
