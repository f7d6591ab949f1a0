import uuid

from django.db import migrations, models


def write_epoch(apps, schema_editor):
    """Write the row that tells this table from that of another database."""
    apps.get_model("revocation_events", "Epoch").objects.create()


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Epoch",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("token", "Token"), ("client", "Client"), ("reset", "Reset")],
                        max_length=6,
                    ),
                ),
                ("value", models.CharField(blank=True, max_length=255)),
                ("resource_servers", models.JSONField()),
                ("transaction", models.BigIntegerField(db_index=True)),
                ("expires", models.DateTimeField(db_index=True)),
                ("created", models.DateTimeField(auto_now_add=True)),
            ],
            options={"verbose_name": "revocation event"},
        ),
        migrations.RunPython(write_epoch, migrations.RunPython.noop),
    ]
