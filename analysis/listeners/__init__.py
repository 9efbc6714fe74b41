"""What listeners chose and wrote, how far they agreed, and machine scores compared with them."""
