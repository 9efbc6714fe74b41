"""What the database knows of the installation that it belongs to."""

from django.db import models


class Installation(models.Model):
    """The one row: under which key its pseudonyms were made, and whose data folder it names."""

    key_fingerprint = models.CharField(max_length=16)
    """Tells whether a key is that one, and nothing of the key itself."""
    identifier = models.CharField(max_length=32, blank=True)
    """Of the data folder, where the file `installation` has it too."""
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_installation")]

    def __str__(self) -> str:
        return f"key {self.key_fingerprint}"
