"""What a person who looks at one feature wants to see: figures and pictures, read from a run.

Nothing here writes: the caller keeps what it gets wherever it likes.
"""
