"""What the database knows about the installation that it belongs to."""

from django.db import models


class Installation(models.Model):
    """The only row: which key its pseudonyms were made with, and which data folder is its own."""

    key_fingerprint = models.CharField(max_length=16)
    """Tells whether a key is the same one, but nothing about the key itself."""
    identifier = models.CharField(max_length=32, blank=True)
    """Of the data folder, which has the same one in its file `installation`."""
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_installation")]

    def __str__(self) -> str:
        return f"key {self.key_fingerprint}"
