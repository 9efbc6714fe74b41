"""API tokens, by which a program reads data on behalf of a researcher."""

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """Lets a program read what its owner may export; only a hash of the secret is stored."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    """The beginning of the secret, to tell tokens apart."""
    secret_hash = models.CharField(max_length=64, unique=True)
    password_mark = models.CharField(max_length=64)
    """Hash of the owner's stored password; the token ends when the password changes."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"
