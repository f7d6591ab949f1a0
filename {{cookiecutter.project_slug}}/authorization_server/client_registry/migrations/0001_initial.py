import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    # Not a swappable dependency: the models of django-oauth-toolkit are never swapped.
    dependencies = [("oauth2_provider", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="RegisteredClient",
            fields=[
                (
                    "application",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="registration",
                        serialize=False,
                        to="oauth2_provider.application",
                    ),
                ),
                ("name", models.SlugField(editable=False, max_length=100, unique=True)),
                (
                    "resource_server",
                    models.CharField(blank=True, editable=False, max_length=100),
                ),
                ("scopes", models.JSONField(default=list, editable=False)),
                ("default_scopes", models.JSONField(blank=True, default=list, editable=False)),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="The emergency switch: unselected, the client and all of its "
                        "tokens are refused.",
                        verbose_name="active",
                    ),
                ),
            ],
        ),
    ]
