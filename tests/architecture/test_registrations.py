"""What is named in one place exists in the other: event types, beat tasks, permissions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLResolver, get_resolver, include, path
from django.views.decorators.http import require_POST
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from monetization.events.schemas import event_types
from monetization.interface.access import member_required
from tests.architecture import checks
from tests.architecture.checks import ROOT
from tests.architecture.test_source import plant

# Routes anybody may call, and why. Adding one is a decision.
PUBLIC = (
    "accounts/",  # signing in and out, resetting a password
    "sign/",  # the signer's pages: the token in the address is the key
    "pay/",  # what a customer owes: the token in the address is the key
    "usage/<path:rest>/",  # a slash too many: the page it leads to asks
    "callbacks/",  # providers: what they say is looked up with our key before it counts
    "admin/",  # Django's own guard: staff only
    "api/v1/schema",  # the description of the API
    "api/docs/",
    "^api/",  # the 404 of every address under api/ that does not exist
)


class TestEventTypes:
    def test_every_type_appended_is_registered(self) -> None:
        registered = [kind.name for kind in event_types()]

        assert len(checks.appended_types(ROOT)) > 20
        assert checks.unregistered_types(ROOT, registered) == []

    def test_an_unknown_one_is_found_however_it_is_passed_on(self, tmp_path: Path) -> None:
        plant(
            tmp_path,
            "billing/services/facts.py",
            "def f():\n"
            "    append_event(type='invoice.issued', data={})\n"
            "    append_event(type='invoice.eaten' if x else 'invoice.issued')\n"
            "    append_event(type=NAME)\n"
            "def announce(what, kind):\n"
            "    append_event(type=kind)\n"
            "def again(*, kind):\n"
            "    announce(1, kind)\n",
        )
        plant(
            tmp_path,
            "billing/services/more.py",
            "def g():\n"
            "    announce(1, 'invoice.burnt')\n"
            "    facts.again(kind=f'invoice.{how}')\n"
            "    facts.again(kind=f'schedule.{how}')\n",
        )

        found = checks.unregistered_types(tmp_path, ["invoice.issued", "meter.created"])

        assert found == [
            r"billing/services/facts.py:3: invoice\.eaten",
            "billing/services/facts.py:4: a type that cannot be told from the code",
            r"billing/services/more.py:2: invoice\.burnt",
            r"billing/services/more.py:4: schedule\.[a-z_]+",
        ]


class TestBeat:
    def test_every_scheduled_task_is_there(self) -> None:
        assert settings.CELERY_BEAT_SCHEDULE
        assert checks.unresolved_tasks(settings.CELERY_BEAT_SCHEDULE) == []

    def test_a_misspelled_one_is_found(self) -> None:
        schedule = {
            "good": {"task": "metering.tasks.fold_usage"},
            "typo": {"task": "metering.tasks.fold_usages"},
            "gone": {"task": "nowhere.tasks.run"},
            "plain": {"task": "metering.tasks.tenant_context"},
        }

        assert checks.unresolved_tasks(schedule) == [
            "typo: metering.tasks.fold_usages",
            "gone: nowhere.tasks.run",
            "plain: metering.tasks.tenant_context",
        ]


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class Guarded(APIView):
    permission_resource = "usage"


class Unnamed(APIView):
    pass


class Unlocked(APIView):
    permission_resource = "usage"
    permission_classes = [AllowAny]


class TestPermissions:
    def test_every_view_asks_for_one_or_is_declared_public(self) -> None:
        assert checks.open_views(get_resolver().url_patterns, PUBLIC) == []

    def test_an_open_view_is_found_wherever_it_hangs(self) -> None:
        inner: Any = SimpleNamespace(
            urlpatterns=[path("page", page), path("api", Unnamed.as_view())]
        )
        patterns: list[Any] = [
            path("ok", require_POST(member_required("usage:read")(page))),
            path("ok-api", Guarded.as_view()),
            path("unlocked", Unlocked.as_view()),
            path("signing/page", page),
            path("deep/", include(inner.urlpatterns)),
        ]

        assert isinstance(patterns[-1], URLResolver)
        assert checks.open_views(patterns, ("signing/",)) == [
            "unlocked",
            "deep/page",
            "deep/api",
        ]
