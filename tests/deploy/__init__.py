"""compose.yaml, the image and the proxy, read as Docker would read them."""
