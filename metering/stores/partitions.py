"""Partitions of usage events for the quarters to come."""

from datetime import date

from metering.stores.postgres import bulk_cursor


def lay(*, until: date) -> int:
    """Lay the partitions of the quarters that begin until a day, at most eight at once.

    :returns: how many were missing.
    """
    with bulk_cursor() as cursor:
        cursor.execute("SELECT lay_usage_partitions(%b)", [until])
        row = cursor.fetchone()
        return int(row[0]) if row else 0
