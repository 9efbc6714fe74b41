"""Settings of the Django project, from environment variables; an invalid value names its variable.

Read here: `EARWITNESS_DATA` (runs, media, the embedded defaults), `DATABASE_URL` (default: SQLite
in the data folder), `REDIS_URL` (default: the embedded broker there), `EARWITNESS_SECRET_KEY` with
`EARWITNESS_SECRET_KEY_FALLBACKS`, and `EARWITNESS_PSEUDONYM_KEY` (default of both: one made for
this machine, in the data folder); for the web `EARWITNESS_HOSTS`, `EARWITNESS_HTTPS`,
`EARWITNESS_PROXIES`, `EARWITNESS_TRUSTED_PROXIES`, `EARWITNESS_MEDIA` and `EARWITNESS_DEBUG`; for
accounts `EARWITNESS_SECOND_FACTOR` (`optional`, the default, or `required`), `EARWITNESS_PROJECTS`,
`EARWITNESS_TOKEN_DAYS`, `EARWITNESS_EMAIL_URL`, `EARWITNESS_EMAIL_FROM`, and `EARWITNESS_OIDC_URL`
with `EARWITNESS_OIDC_CLIENT`, `EARWITNESS_OIDC_SECRET` and `EARWITNESS_OIDC_NAME`; for studies
`EARWITNESS_PASSAGES_PER_ADDRESS`, `PROLIFIC_API`, `PROLIFIC_TOKEN` and `PROLIFIC_WEBHOOK_SECRET`;
for keys that are sent `EARWITNESS_KEYS_OVER_HTTP`; for runs `EARWITNESS_CORPORA`,
`EARWITNESS_MODELS`, `EARWITNESS_GEMINI_BUDGET`, `EARWITNESS_GEMINI_MODELS`,
`EARWITNESS_RUNS_PER_PROJECT`, `EARWITNESS_REMOTE` and `EARWITNESS_ELSEWHERE`; for operation
`EARWITNESS_METRICS_TOKEN`, `EARWITNESS_PRIVATE_WEBHOOKS` and `EARWITNESS_LOGS`. Read elsewhere:
`EARWITNESS_UMASK` (`core/umask.py`).
"""

import ipaddress
import os
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from studyapp.core import addresses, keys
from studyapp.hosting.broker import socket_for

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DATA = Path(env.str("EARWITNESS_DATA", default=str(BASE_DIR / "data"))).expanduser().resolve()
"""Folder for all data: runs, stimuli, the SQLite file, the broker's socket."""


def _make_data_folder(folder: Path) -> bool:
    """Create the folder, private to its owner, and return whether it already had files."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return any(folder.iterdir())
    except OSError as error:
        raise ImproperlyConfigured(
            f"EARWITNESS_DATA is {folder}, which cannot be created ({error})"
        ) from error


def _key(name: str, file: Path, make: Callable[[], str]) -> str:
    """Return the key from the environment, otherwise the one in the file."""
    given: str = env.str(name, default="")
    return keys.check_length(name, given) if given else keys.read_or_create(file, make)


def _new_pseudonym_key() -> str:
    """Return a first pseudonym key; pseudonyms in existing data were made with the cookie key."""
    before = [*SECRET_KEY_FALLBACKS, SECRET_KEY][0]
    return keys.from_cookie_key(before) if _WAS_IN_USE else keys.generate()


def _keep_to_owner(database: Path) -> None:
    for path in (database, *(Path(f"{database}{suffix}") for suffix in ("-wal", "-shm"))):
        if path.is_file() and path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _networks(name: str, default: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    given = [one.strip() for one in env.str(name, default=default).split(",") if one.strip()]
    try:
        return [ipaddress.ip_network(one) for one in given]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {error}; give networks such as 10.0.0.0/8,::1"
        ) from error


_WAS_IN_USE = _make_data_folder(DATA)
SECRET_KEY = _key("EARWITNESS_SECRET_KEY", DATA / "secret_key", keys.generate)
SECRET_KEY_FALLBACKS = env.list("EARWITNESS_SECRET_KEY_FALLBACKS", default=[])
"""Earlier keys, the newest first: what they signed is still valid, but they sign nothing new."""
PSEUDONYM_KEY = _key("EARWITNESS_PSEUDONYM_KEY", DATA / "pseudonym_key", _new_pseudonym_key)
DEBUG = env.bool("EARWITNESS_DEBUG", default=False)
ALLOWED_HOSTS = [
    host.strip()
    for host in env.list("EARWITNESS_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_filters",
    "django_htmx",
    # Before allauth, because our templates override its own.
    "studyapp.apps.StudyAppConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
]

MIDDLEWARE = [
    # First: probes use neither the host's name nor HTTPS.
    "studyapp.hosting.health.ProbeMiddleware",
    "studyapp.core.middleware.OddRequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studyapp.core.middleware.NeverCacheMiddleware",
    "studyapp.core.middleware.TimeZoneMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "studyapp.core.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page requires a login unless its view is marked `login_not_required`.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "studyapp.core.middleware.PolicyMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "studyapp.accounts.second_factor.RequiredMiddleware",
    # Last: it replaces the response of a login that axes has locked out.
    "axes.middleware.AxesMiddleware",
]

# One byte more than OddRequestMiddleware lets through, so that its refusal is the one that is seen.
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 2**20 + 1

ROOT_URLCONF = "studyapp.urls"
WSGI_APPLICATION = "studyapp.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{DATA / 'earwitness.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "studyapp.core.database.sqlite3"
    # WAL alone lost 158 of 200 simultaneous assignments; immediate transactions lose none.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        # Seconds to wait for another writer; on a machine that was far too busy some arrivals of a
        # burst waited for over twenty.
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
    # It has password hashes and sessions; SQLite gives its companion files the same mode.
    _keep_to_owner(Path(str(DATABASES["default"]["NAME"])))
    # Tests use a file, as the site does: WAL and locks behave differently in memory.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}
# Opening a connection, even to SQLite, takes longer than most queries of a page.
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
# Before a request, reopen a connection that a restart of the database has closed.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية"), ("ja", "日本語")]
"""Of participants' pages. To add one: a line here, its file in `studyapp/locale/`, its texts in
`studyapp/texts/`; `manage.py translations` says what is missing."""
RESEARCHERS_LANGUAGES = ("en", "de")
"""Of all other pages, where only the login and the errors are translated."""
LOCALE_PATHS = [BASE_DIR / "studyapp" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = DATA / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "studyapp.hosting.static_files.Storage"},
}
WHITENOISE_USE_FINDERS = DEBUG

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
SECOND_FACTOR = env.str("EARWITNESS_SECOND_FACTOR", default="optional")
"""`required`: users without a second factor only see the page that sets it up."""
if SECOND_FACTOR not in ("optional", "required"):
    raise ImproperlyConfigured(
        f"EARWITNESS_SECOND_FACTOR is {SECOND_FACTOR!r}: it must be optional or required"
    )
# Accounts are created by invitation or createsuperuser; allauth sends no mail.
ACCOUNT_ADAPTER = "studyapp.accounts.second_factor.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
# allauth counts in the cache, separately in each web process; axes counts in the database.
ACCOUNT_RATE_LIMITS = False
KEYS_OVER_HTTP = env.bool("EARWITNESS_KEYS_OVER_HTTP", default=False)
"""Whether keys and secrets may be sent over http to other machines, as inside a closed network."""


def _private(name: str, url: str) -> None:
    """Refuse an address to which a secret would be sent so that others can read it."""
    if addresses.is_readable(url) and not KEYS_OVER_HTTP:
        raise ImproperlyConfigured(
            f"{name} is {url!r}: the secret for it would be sent over http, which others on the "
            "way can read; give an https address, or set EARWITNESS_KEYS_OVER_HTTP=1 if the "
            "network is closed"
        )


OIDC_URL = env.str("EARWITNESS_OIDC_URL", default="")
"""Issuer of an OpenID Connect service, such as https://orcid.org or a university's: researchers who
connected their account to it can log in through it. Nobody gets an account by it. Empty: off."""
OIDC_NAME = env.str("EARWITNESS_OIDC_NAME", default="ORCID" if "orcid.org" in OIDC_URL else "")
"""What the button is called."""
if OIDC_URL:
    _client = env.str("EARWITNESS_OIDC_CLIENT", default="")
    _secret = env.str("EARWITNESS_OIDC_SECRET", default="")
    if not (_client and _secret and OIDC_NAME and urlsplit(OIDC_URL).hostname):
        raise ImproperlyConfigured(
            f"EARWITNESS_OIDC_URL is {OIDC_URL!r}: it must be an address, and needs "
            "EARWITNESS_OIDC_CLIENT, EARWITNESS_OIDC_SECRET and EARWITNESS_OIDC_NAME"
        )
    _private("EARWITNESS_OIDC_URL", OIDC_URL)
    if find_spec("jwt") is None:
        raise ImproperlyConfigured("EARWITNESS_OIDC_URL needs the extra login: earwitness[login]")
    INSTALLED_APPS += [
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
    ]
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "oidc",
                    "name": OIDC_NAME,
                    "client_id": _client,
                    "secret": _secret,
                    "settings": {"server_url": OIDC_URL.rstrip("/")},
                }
            ],
        }
    }
MFA_ADAPTER = "studyapp.accounts.second_factor.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "studyapp.accounts.forms.second_factor.CodeForm",
    "reauthenticate": "studyapp.accounts.forms.second_factor.CodeAgainForm",
}
MFA_TOTP_ISSUER = "Earwitness"
MFA_TOTP_TOLERANCE = 1  # A phone's clock may be half a minute off.
MFA_RECOVERY_CODES_SHOW_ONCE = True

# Ten characters, not a common password, not similar to the name, not only digits.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24
TOKEN_DAYS = env.int("EARWITNESS_TOKEN_DAYS", default=90)
"""Days after which an API token expires."""
EMAIL_URL = env.str("EARWITNESS_EMAIL_URL", default="")
"""`smtp+tls://NAME:PASSWORD@HOST:587`; without it, administrators hand out password links."""
if EMAIL_URL:
    vars().update(env.email_url("EARWITNESS_EMAIL_URL"))
EMAIL_TIMEOUT = 10
"""Seconds; a mail is sent while the user waits for the page."""
DEFAULT_FROM_EMAIL = env.str("EARWITNESS_EMAIL_FROM", default="earwitness@localhost")

PROXIES = env.int("EARWITNESS_PROXIES", default=0)
"""Number of proxies in front of the site that append to X-Forwarded-For; 0: ignore the header."""
TRUSTED_PROXIES = _networks(
    "EARWITNESS_TRUSTED_PROXIES",
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10",
)
"""Addresses of those proxies; any other sender is a client, whatever its header says."""
AXES_CLIENT_IP_CALLABLE = "studyapp.core.addresses.counted_address"
AXES_HANDLER = "studyapp.accounts.lockout.Handler"
ADDRESS_FAILURE_LIMIT = 50
"""Failed logins from one address, with any names, after which it is locked for a while."""
# By name and address together: by name only, anyone could lock a researcher out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_DISABLE_ACCESS_LOG = True
# The page after the login may be an invitation, whose address is a secret.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "next"]
AXES_VERBOSE = False

HTTPS = env.bool("EARWITNESS_HTTPS", default=False)
"""Whether participants use HTTPS; cookies are then marked as secure, and HSTS is sent."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
if OIDC_URL:
    # The button posts to us, and we redirect: browsers count that as the form's target.
    _origin = "{0.scheme}://{0.netloc}".format(urlsplit(OIDC_URL))
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"].append(_origin)

PROJECTS = env.str("EARWITNESS_PROJECTS", default="administrators")
"""Who may create projects: `administrators` (and accounts with the permission) or `members`."""
if PROJECTS not in ("administrators", "members"):
    raise ImproperlyConfigured(
        f"EARWITNESS_PROJECTS is {PROJECTS!r}: it must be administrators or members"
    )

PASSAGES_PER_ADDRESS = env.int("EARWITNESS_PASSAGES_PER_ADDRESS", default=10)
"""Participations in a study that may begin from one address per day; 0: no limit. Raise it if many
people share an address, for example in a laboratory."""
if PASSAGES_PER_ADDRESS < 0:
    raise ImproperlyConfigured(
        f"EARWITNESS_PASSAGES_PER_ADDRESS is {PASSAGES_PER_ADDRESS}: it must be 0 or more"
    )

MEDIA = env.str("EARWITNESS_MEDIA", default="site")
"""`x-accel` if nginx is in front of the site and serves the data folder under `/protected/`."""
if MEDIA not in ("site", "x-accel"):
    raise ImproperlyConfigured(f"EARWITNESS_MEDIA is {MEDIA!r}: it must be site or x-accel")
SENDFILE_BACKEND = "django_sendfile.backends.nginx"
SENDFILE_ROOT = str(DATA)
SENDFILE_URL = "/protected"

EMBEDDED_BROKER_SOCKET = socket_for(DATA)
"""Socket of the Redis that `manage.py serve` starts if `REDIS_URL` is not set."""
REDIS_URL = env.str("REDIS_URL", default="")
CELERY_BROKER_URL = REDIS_URL or f"redis+socket://{EMBEDDED_BROKER_SOCKET}"
# The database row is authoritative and the broker only notifies, so no result backend.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "cpu"

PROLIFIC_API = env.str("PROLIFIC_API", default="https://api.prolific.com").rstrip("/")
PROLIFIC_TOKEN = env.str("PROLIFIC_TOKEN", default="")
"""For everything that is asked of Prolific: reading submissions, and what a person confirms."""
if PROLIFIC_TOKEN:
    _private("PROLIFIC_API", PROLIFIC_API)
PROLIFIC_WEBHOOK_SECRET = env.str("PROLIFIC_WEBHOOK_SECRET", default="")
"""For verifying the signature of Prolific's messages; without it, all are refused."""


def _folders(name: str, default: Path) -> list[str]:
    """Split a list at colons or commas; an empty list gives the default."""
    given: str = env.str(name, default="") or str(default)
    return [one.strip() for one in given.replace(",", ":").split(":") if one.strip()]


def _prices(name: str) -> dict[str, tuple[float, float, float]]:
    """Parse `MODEL=AUDIO/TEXT/OUTPUT,…`."""
    found = {}
    for entry in filter(None, (one.strip() for one in env.str(name, default="").split(","))):
        model, _, given = entry.partition("=")
        try:
            audio, text, output = (float(part) for part in given.split("/"))
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} has {entry!r}: write MODEL=AUDIO/TEXT/OUTPUT, dollars per million tokens"
            ) from error
        found[model.strip()] = (audio, text, output)
    return found


REMOTE = env.str("EARWITNESS_REMOTE", default="")
"""The store for the files of new runs, such as `s3://BUCKET/PREFIX`. Empty: the data folder."""
ELSEWHERE = env.bool("EARWITNESS_ELSEWHERE", default=False)
"""Whether this worker has a data folder of its own, and not the site's: it only takes runs whose
files are in a store."""
CORPORA = _folders("EARWITNESS_CORPORA", DATA / "corpora")
"""Folders whose subfolders are corpora that any researcher may choose for a run."""
MODELS = _folders("EARWITNESS_MODELS", DATA / "models")
"""Models that any researcher may choose: subfolders of these folders, and names on the hub."""
GEMINI_BUDGET = env.float("EARWITNESS_GEMINI_BUDGET", default=10.0)
"""US dollars that all runs of a project together may spend on paid services."""
GEMINI_MODELS = _prices("EARWITNESS_GEMINI_MODELS")
"""Gemini models that any researcher may use in addition to the default, with their prices."""
RUNS_PER_PROJECT = env.int("EARWITNESS_RUNS_PER_PROJECT", default=4)
"""Runs of a project that may be queued or running at the same time."""
if not 0 <= GEMINI_BUDGET < 1e9:
    raise ImproperlyConfigured(
        f"EARWITNESS_GEMINI_BUDGET is {GEMINI_BUDGET}: it must be dollars, 0 or more"
    )
if RUNS_PER_PROJECT < 1:
    raise ImproperlyConfigured(
        f"EARWITNESS_RUNS_PER_PROJECT is {RUNS_PER_PROJECT}: it must be 1 or more"
    )

PRIVATE_WEBHOOKS = env.bool("EARWITNESS_PRIVATE_WEBHOOKS", default=False)
"""Whether projects' webhooks may have private addresses, and http instead of https."""

METRICS_TOKEN = env.str("EARWITNESS_METRICS_TOKEN", default="")
LOGS = env.str("EARWITNESS_LOGS", default="line")
if LOGS not in ("line", "json"):
    raise ImproperlyConfigured(f"EARWITNESS_LOGS is {LOGS!r}: it must be line or json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "studyapp.core.logs.JsonFormatter"},
    },
    "filters": {"paths": {"()": "studyapp.core.logs.WithoutPaths"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOGS, "filters": ["paths"]}
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"studyapp": {"level": "INFO"}},
}
