"""`manage.py translations`: what is still untranslated, language by language."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.texts import translations


class Command(BaseCommand):
    """Participants' pages only: researchers' pages are in English."""

    help = "List what participants' pages lack in each language; fails if anything is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        """One language, or all."""
        parser.add_argument("language", nargs="?", help="such as ar; default: every language")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print it."""
        known = [code for code, _ in settings.LANGUAGES if code != "en"]
        asked = [options["language"]] if options["language"] else known
        if not set(asked) <= set(known):
            raise CommandError(f"there is no language {asked[0]!r}; known: {', '.join(known)}")
        incomplete = [language for language in asked if not self._is_complete(language)]
        if incomplete:
            raise CommandError(f"not complete: {', '.join(incomplete)}")

    def _is_complete(self, language: str) -> bool:
        found = translations.missing(language)
        total = len(translations.strings())
        done = total - len(found.strings)
        self.stdout.write(f"{language}: {done} of {total} strings translated")
        for text in found.strings:
            self.stdout.write(f"  untranslated: {text}")
        for name in found.texts:
            self.stdout.write(f"  missing text: studyapp/texts/{language}/{name}.md")
        if found.stale:
            self.stdout.write(
                f"  {len(found.stale)} differ from the compiled file: run compilemessages"
            )
        return not found
