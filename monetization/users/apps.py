from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "monetization.users"
    label = "users"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        member = ("user_id", "email", "role")
        register_event_type("member.invited", "Member invited", required=member)
        register_event_type("member.role_changed", "Role changed", required=member)
        register_event_type("member.removed", "Member removed", required=member)
        register_event_type("company.changed", "Company details changed", required=("changed",))
        register_event_type(
            "legal_entity.changed", "Legal entity changed", required=("name", "changed")
        )
