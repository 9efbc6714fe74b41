"""What the report says of the study itself: its plan, who took part, how it was made."""
