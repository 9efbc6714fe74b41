"""What goes into a paper: tables, figures, a methods paragraph and references, in one folder."""
