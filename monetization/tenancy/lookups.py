"""``id__any=ids``: ``= ANY(array)``, for hundreds of ids at a time.

``id__in`` is a parameter for each; binding and parsing them takes longer than finding the rows.
"""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Lookup, UUIDField


class AnyOf(Lookup):
    """Rows whose UUID is one of a list; of an empty one, no row and no statement.

    ``invoice__id__any`` joins nothing: the column of the reference is looked at.
    """

    lookup_name = "any"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        if not self.rhs:
            raise EmptyResultSet  # nothing is asked
        column, bound = self.process_lhs(compiler, connection)
        ids = ",".join(each.hex for each in self.rhs)
        return f"{column} = ANY(%s::uuid[])", (*bound, f"{{{ids}}}")  # one text, not a list of them


UUIDField.register_lookup(AnyOf)
