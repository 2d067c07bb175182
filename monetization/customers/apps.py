from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "monetization.customers"
    label = "customers"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        register_event_type("customer.created", "Customer added", required=("customer_id",))
        register_event_type(
            "alias.mapped", "Alias mapped", required=("alias_id", "alias", "customer_id")
        )
