from django.core.management.base import BaseCommand

from shop.tasks import send_mail


class Command(BaseCommand):
    help = "Sends so many mails, each of which takes so many seconds."

    def add_arguments(self, parser):
        parser.add_argument("count", type=int)
        parser.add_argument("--seconds", type=float, default=1.0)

    def handle(self, *args, count, seconds, **options):
        for number in range(count):
            send_mail.delay(f"customer-{number}@example.com", seconds)
        self.stdout.write(f"{count} mails on their way")
