from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_verify_existing_addresses"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="unverified_since",
            field=models.DateTimeField(db_index=True, editable=False, null=True),
        ),
    ]
