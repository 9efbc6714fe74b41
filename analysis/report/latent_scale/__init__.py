"""What the report says of the joint ordinal model beyond its contrasts."""
