from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "monetization.mail"
    label = "mail"

    def ready(self) -> None:
        from monetization.events.services import subscribe
        from monetization.mail import handlers

        subscribe("member.invited", "mail.invite_member", handlers.on_member_invited)
