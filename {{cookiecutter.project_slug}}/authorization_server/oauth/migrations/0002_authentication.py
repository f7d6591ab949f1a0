from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("oauth", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Authentication",
            fields=[
                ("family", models.UUIDField(primary_key=True, serialize=False)),
                ("auth_time", models.BigIntegerField()),
                ("amr", models.JSONField(default=list)),
                ("acr", models.CharField(blank=True, max_length=100)),
                ("created", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
