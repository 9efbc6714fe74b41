"""The SAEs' step and results beside those of other libraries, and against known directions."""
