"""``migrate`` renders only what a change can reach, and says the same to the database."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from django.core.management import get_commands
from django.db import connection, models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AlterField,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RenameField,
    RenameModel,
    RunPython,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from monetization.config.management.commands.migrate import TrackedState


def _migration(*operations: Operation) -> Migration:
    migration = Migration("0001_towns", "towns")
    migration.operations = list(operations)  # type: ignore[misc]
    return migration


def _sql(state: ProjectState, migrations: Iterable[Migration]) -> list[str]:
    """Return the statements of migrations; the models are rendered first, as ``migrate`` does."""
    state.apps  # noqa: B018
    said = []
    for migration in migrations:
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        said += [re.sub(r"'[^']+'::timestamptz", "now", line) for line in editor.collected_sql]
    return said


def _relations(state: ProjectState) -> dict[str, tuple[list[str], list[str]]]:
    """Return where each model's keys point to and who points to it, as the registry says.

    A class from before a change, held on to by another one, is named stale.
    """
    registered = set(state.apps.get_models(include_auto_created=True))

    def name(model: Any) -> str:
        label: str = model._meta.label
        return label if model in registered else f"{label} (stale)"

    return {
        name(model): (
            # In any order: Django puts a changed field last once it keeps relations.
            sorted(name(f.related_model) for f in model._meta.local_fields if f.is_relation),
            sorted(
                f"{name(found.related_model)}.{found.field.name}"
                for found in model._meta.get_fields(include_hidden=True)
                if isinstance(found, models.ForeignObjectRel)
            ),
        )
        for model in registered
    }


def _key(model: str) -> Any:
    return models.ForeignKey(model, on_delete=models.CASCADE)


def _story() -> list[Operation]:
    number = ("id", models.IntegerField(primary_key=True))
    unique = models.UniqueConstraint(fields=["name"], name="one_town_of_a_name")
    return [
        CreateModel("Town", [number, ("name", models.CharField(max_length=9))]),
        CreateModel("House", [number, ("town", _key("towns.Town"))]),
        CreateModel("Room", [number, ("house", _key("towns.House"))]),
        CreateModel("Annex", [("built", models.DateField())], bases=("towns.house",)),
        AddConstraint("Town", unique),
        AddField("Room", "neighbor", models.ForeignKey("self", models.CASCADE, null=True)),
        AlterField("Town", "id", models.BigIntegerField(primary_key=True)),
        AlterField("House", "id", models.BigIntegerField(primary_key=True)),
        RenameField("Town", "name", "title"),
        RenameModel("House", "Building"),
        AlterField("Building", "id", models.UUIDField(primary_key=True)),
        RemoveField("Room", "neighbor"),
        DeleteModel("Room"),
    ]


def test_migrate_is_the_command_that_tracks_what_it_changes() -> None:
    assert get_commands()["migrate"] == "monetization.config"


@pytest.mark.django_db
def test_each_change_of_a_story_is_told_the_database_as_django_would() -> None:
    for end in range(1, len(_story()) + 1):
        told = _sql(TrackedState(), [_migration(*_story()[:end])])

        assert told == _sql(ProjectState(), [_migration(*_story()[:end])])


@pytest.mark.django_db
def test_a_new_type_of_a_key_is_given_to_the_columns_that_point_to_it() -> None:
    told = "\n".join(_sql(TrackedState(), [_migration(*_story()[:7])]))

    assert 'ALTER TABLE "towns_house" ALTER COLUMN "town_id" TYPE bigint' in told


@pytest.mark.django_db
def test_code_of_a_migration_finds_relations_made_before_it() -> None:
    found: list[str] = []

    def look(apps: Any, editor: Any) -> None:
        town = apps.get_model("towns", "Town")
        found.append(str(town.objects.filter(house__room__id=1).query))

    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        state = TrackedState()
        state.apps  # noqa: B018
        _migration(*_story()[:5], RunPython(look)).apply(state, editor)

    assert ['"towns_room"."id" = 1' in query for query in found] == [True]


def test_after_all_migrations_each_model_knows_those_around_it() -> None:
    loader = MigrationLoader(None)
    tracked: ProjectState = TrackedState(real_apps=loader.unmigrated_apps)
    tracked.apps  # noqa: B018
    for node in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        tracked = loader.graph.nodes[node].mutate_state(tracked, preserve=False)

    assert _relations(tracked) == _relations(loader.project_state())


@pytest.mark.slow
@pytest.mark.django_db
def test_all_migrations_tell_the_database_what_django_would_letter_for_letter() -> None:
    told = []
    for kind in (TrackedState, ProjectState):
        loader = MigrationLoader(None)
        plan = loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True)
        state = kind(real_apps=loader.unmigrated_apps)
        told.append(_sql(state, [loader.graph.nodes[node] for node in plan]))

    assert len(told[0]) > 1_000
    assert told[0] == told[1]
