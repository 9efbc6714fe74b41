"""compose.yaml, the image and the proxy, interpreted as by Docker."""
