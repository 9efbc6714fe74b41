"""HTTP only: a view holds no rule and no query."""
