"""Every setting, read from the environment; the defaults suit a developer's machine.

``docs/operations.md`` lists each variable. Nothing imports this module but Django.
"""

from pathlib import Path
from urllib.parse import unquote

import environ
from csp.constants import NONCE, SELF

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="development-only" if DEBUG else environ.Env.NOTSET)
SALT_KEY = env.list("SALT_KEY", default=["development-only-salt"])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
MONETIZATION_DEMO = env.bool("MONETIZATION_DEMO", default=False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_vite",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "monetization.tenancy",
    "monetization.audit",
    "monetization.interface",
    "monetization.documents",
    "monetization.jobs",
    "monetization.events",
    "monetization.ledger",
    "monetization.users",
    "monetization.webhooks",
    "monetization.mail",
    "monetization.customers",
    "monetization.catalog",
    "monetization.config",
    "metering",
    "quotes",
    "billing",
    "alerts",
    "crm",
    "revrec",
    "integrations",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "monetization.users.middleware.TenantMiddleware",
    "monetization.interface.unstorable.UnstorableText",  # inside: rolls the tenant's back
]

ROOT_URLCONF = "monetization.config.urls"
WSGI_APPLICATION = "monetization.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "monetization.interface.context_processors.shell",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------
# Two roles: the application's, which row-level security binds, and the owner's, which
# migrates. `owner` is never routed to; only migrate and the test set-up name it.
_database = env.db_url("DATABASE_URL", default="postgres:///monetization")
_database["HOST"] = unquote(_database.get("HOST", ""))  # the folder of a Unix socket is quoted
_database["ENGINE"] = "django.db.backends.postgresql"
_database["CONN_MAX_AGE"] = 0
_database["OPTIONS"] = {
    **_database.get("OPTIONS", {}),
    "pool": {
        "min_size": 1,
        "max_size": env.int("DATABASE_POOL_SIZE", default=8),
        "timeout": env.int("DATABASE_WAIT", default=5),  # seconds; then 503
        "reconnect_timeout": 10,  # then the next request tries again
    },
    "application_name": "throughline",
    # Nothing is prepared of itself; the statements of a batch of usage ask for it. Off behind a
    # PgBouncer older than 1.21.
    "prepare_threshold": 1_000_000_000 if env.bool("DATABASE_PREPARE", default=True) else None,
}
DATABASES = {"default": _database}
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default=env.str("DATABASE_URL", default=""))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Background work ------------------------------------------------------------------------
# Where companies that moved keep their raw usage: http://user:password@host:8123/database
CLICKHOUSE_URL = env.str("CLICKHOUSE_URL", default="")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=env.str("REDIS_URL", default="memory://"))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS = env.json("CELERY_BROKER_TRANSPORT_OPTIONS", default={})
CELERY_BEAT_SCHEDULE = {
    "sweep-jobs": {"task": "monetization.jobs.tasks.sweep_jobs", "schedule": 10.0},
    "ring-overdue-deliveries": {
        "task": "monetization.events.tasks.ring_overdue_deliveries",
        "schedule": 20.0,
    },
    "send-queued-mail": {"task": "monetization.mail.tasks.send_queued_mail", "schedule": 20.0},
    "send-due-webhooks": {
        "task": "monetization.webhooks.tasks.send_due_webhooks",
        "schedule": 10.0,
    },
    "fold-usage": {"task": "metering.tasks.fold_usage", "schedule": 15.0},
    "lay-usage-partitions": {"task": "metering.tasks.lay_partitions", "schedule": 86_400.0},
    "watch-arrivals": {"task": "alerts.tasks.watch_arrivals", "schedule": 10.0},
    "watch-everybody": {"task": "alerts.tasks.watch_everybody", "schedule": 600.0},
    "advance-billing": {"task": "billing.tasks.advance_billing", "schedule": 300.0},
    "bill-thresholds": {"task": "billing.tasks.bill_thresholds", "schedule": 120.0},
    "true-up-estimates": {"task": "billing.tasks.true_up_estimates", "schedule": 300.0},
    "advance-credits": {"task": "billing.tasks.advance_credits", "schedule": 300.0},
    "issue-automatically": {"task": "billing.tasks.issue_automatically", "schedule": 900.0},
    "send-reminders": {"task": "billing.tasks.send_reminders", "schedule": 3600.0},
    "forget-noted-changes": {"task": "billing.tasks.forget_noted_changes", "schedule": 3600.0},
    "expire-quotes": {"task": "quotes.tasks.expire_quotes", "schedule": 3600.0},
    "remind-signers": {"task": "quotes.tasks.remind_quotes", "schedule": 3600.0},
    "renew-contracts": {"task": "quotes.tasks.renew_contracts", "schedule": 3600.0},
    "advance-signatures": {
        "task": "integrations.tasks.advance_signatures",
        "schedule": 20.0,
    },
    "advance-payments": {"task": "integrations.tasks.advance_payments", "schedule": 20.0},
    "push-due": {"task": "integrations.tasks.push_due", "schedule": 20.0},
    "follow-usage": {"task": "metering.tasks.follow_usage", "schedule": 5.0},
}

# --- People ---------------------------------------------------------------------------------
AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
ACCOUNT_ADAPTER = "monetization.users.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
MFA_ADAPTER = "monetization.users.adapters.TwoFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # who set a password had the mailed invitation
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_REFERRER_POLICY = "same-origin"
# Reverse proxies of ours in front: so many addresses at the end of X-Forwarded-For are theirs.
TRUSTED_PROXY_COUNT = ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
PASSWORD_RESET_TIMEOUT = 3 * 24 * 3600  # an invitation may wait over a weekend

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "font-src": [SELF, "data:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF],
        "object-src": ["'none'"],
    }
}

# --- Interfaces -----------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "monetization.users.authentication.ApiKeyAuthentication",
        "monetization.users.authentication.MemberSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["monetization.users.permissions.HasPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["monetization.interface.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "monetization.interface.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "monetization.interface.operations.DescribedSchema",
    "EXCEPTION_HANDLER": "monetization.interface.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Throughline API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "docExpansion": "none",  # its index fits a screen or two
        "filter": True,
        "displayRequestDuration": True,
        "defaultModelsExpandDepth": 0,
    },
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {  # fields called alike in several resources
        "TaxTreatment": "monetization.customers.models.Customer.TaxTreatment",
        "QuoteStatus": "quotes.models.QuoteVersion.Status",
        "PriceVersionStatus": "monetization.catalog.models.PriceVersion.Status",
        "ScheduleStatus": "billing.models.BillingSchedule.Status",
        "InvoiceStatus": "billing.models.Invoice.Status",
        "JobStatus": "monetization.jobs.models.Job.Status",
        "JobItemStatus": "monetization.jobs.models.JobItem.Status",
        "MailStatus": "monetization.mail.models.OutgoingMail.Status",
        "AccountingPeriodStatus": "monetization.ledger.models.AccountingPeriod.Status",
        "ProductKind": "monetization.catalog.models.Product.Kind",
        "PhaseKind": "quotes.models.QuotePhase.Kind",
        "AlertBasis": "alerts.models.AlertRule.Basis",
        "CreditKind": "billing.models.CreditTerms.Kind",
        "CreditRequestKind": "billing.models.CreditRequest.Kind",
        "CreditTransactionKind": "billing.models.CreditTransaction.Kind",
        "PushKind": "integrations.models.Push.Kind",
        "PushStatus": "integrations.models.Push.Status",
        "WebhookEndpointStatus": "monetization.webhooks.models.WebhookEndpoint.Status",
        "WebhookDeliveryStatus": "monetization.webhooks.models.WebhookDelivery.Status",
        "ConnectionStatus": "integrations.models.Connection.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "monetization.interface.schema.describe_conventions",
    ],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
REQUESTS_AT_ONCE = env.int("REQUESTS_AT_ONCE", default=4)  # in a web process; the rest wait
INGEST_PLACES = env.int("INGEST_PLACES", default=REQUESTS_AT_ONCE)  # of them for usage
INGEST_EVENTS_PER_SECOND = env.int("INGEST_EVENTS_PER_SECOND", default=0)  # 0: no limit

# --- Static files: Vite builds, WhiteNoise serves ---------------------------------------------
STATIC_DIST = Path(env.str("STATIC_DIST", default=str(BASE_DIR / "static_dist")))
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "staticfiles"
STATICFILES_DIRS = [STATIC_DIST] if STATIC_DIST.is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.+/assets/.+-[\w-]{8}\..+$"
DJANGO_VITE = {
    "default": {"dev_mode": False, "manifest_path": STATIC_DIST / ".vite" / "manifest.json"}
}

# --- Time, language, mail ---------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = True
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="billing@throughline.example")
if env.str("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # the outbox page shows it

# --- Integrations ------------------------------------------------------------------------------
XERO_API_URL = env.str("XERO_API_URL", default="")  # empty: the built-in simulator
# Networks that are not the public internet and may be sent to all the same, over http too:
# a receiver on the operator's own network.
WEBHOOK_PRIVATE_NETWORKS = env.list("WEBHOOK_PRIVATE_NETWORKS", default=[])
STRIPE_API_URL = env.str("STRIPE_API_URL", default="")  # empty: the built-in simulator
DROPBOX_SIGN_API_URL = env.str("DROPBOX_SIGN_API_URL", default="")  # empty: the built-in simulator
PROBLEM_BASE_URL = "/docs/problems#"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    # Says at every HEAD that Django leaves dropping the body to the server, as it does.
    "loggers": {"gunicorn.http.wsgi": {"level": "ERROR"}},
}
