"""What listeners chose and wrote, how far they agreed, and machines beside them."""
