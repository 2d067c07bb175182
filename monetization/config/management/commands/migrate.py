"""``migrate``, at a quarter of Django's processor time: see ``TrackedState``."""

from typing import Any

from django.core.management.commands import migrate
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

Key = tuple[str, str]


class TrackedState(ProjectState):
    """A project state that renders again only models that a change can reach.

    Django follows relations both ways. Each table here points to its tenant, so for Django every
    model is related to every other one and each of 536 changes renders them all. A model class
    holds on to the classes it points to, and to its bases; nothing holds on to those that point
    to it, as Django finds these by asking the registry. So a changed model is rendered again with
    those that point to it, directly or through others, and with nothing else.
    """

    def _find_reload_model(self, app_label: str, model_name: str, delay: Any = None) -> set[Key]:
        self.is_delayed = True  # code run by a migration gets all models rendered afresh
        key = (app_label, model_name)
        self._remember_relations(key)
        reached = {key}
        queue = [key]
        while queue:
            found = queue.pop()
            pointing = {*self.relations.get(found, ()), *self._children(found)}
            queue.extend(pointing - reached)
            reached |= pointing
        return reached

    def _remember_relations(self, key: Key) -> None:
        """Have the class before the change keep who points to it: a new key type changes them."""
        try:
            before = self.apps.get_model(*key)
        except LookupError:
            return
        if self.relations.get(key):
            before._meta._relation_tree  # noqa: B018

    def _children(self, key: Key) -> set[Key]:
        name = f"{key[0]}.{key[1]}"
        return {
            child
            for child, state in self.models.items()
            if any(isinstance(base, str) and base.lower() == name for base in state.bases)
        }


class ForwardExecutor(MigrationExecutor):
    """Apply migrations with a tracked state; undo them as Django does."""

    def _migrate_all_forwards(self, state: ProjectState, *args: Any, **kwargs: Any) -> ProjectState:
        tracked = TrackedState(models=state.models, real_apps=state.real_apps)
        done: ProjectState = super()._migrate_all_forwards(  # type: ignore[misc]
            tracked, *args, **kwargs
        )
        return done


migrate.MigrationExecutor = ForwardExecutor  # type: ignore[attr-defined]


class Command(migrate.Command):
    """Bring the tables up to date."""
