"""What metering does when something becomes true below it."""

from metering import services
from monetization.customers.models import CustomerAlias
from monetization.events.models import Event


def on_alias_mapped(event: Event) -> None:
    """Give stored events of the alias to the customer who now holds it."""
    alias = CustomerAlias.objects.filter(id=event.data["alias_id"]).first()
    if alias is None:
        return
    services.attribute_alias(
        alias=alias.alias,
        customer_id=alias.customer_id,
        valid_from=alias.valid.lower,
        valid_until=alias.valid.upper,
    )
