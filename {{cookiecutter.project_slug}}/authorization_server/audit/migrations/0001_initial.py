import django.utils.timezone
from django.db import migrations, models
from django.db.models.deletion import DO_NOTHING

# TRUNCATE of an empty table is allowed: `manage.py flush` and tests do that to every table.
FUNCTION = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_filled boolean := true;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.expires < clock_timestamp() THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'TRUNCATE' THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
            INTO is_filled;
    END IF;
    IF is_filled THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$
"""
POSTGRESQL = """
CREATE TRIGGER {0}_rows BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER {0}_all BEFORE TRUNCATE ON {0} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
"""
SQLITE = (
    "CREATE TRIGGER {0}_update BEFORE UPDATE ON {0} "
    "BEGIN SELECT RAISE(ABORT, '{0} is append-only'); END",
    "CREATE TRIGGER {0}_delete BEFORE DELETE ON {0} "
    "WHEN OLD.expires > strftime('%Y-%m-%d %H:%M:%f', 'now') "
    "BEGIN SELECT RAISE(ABORT, '{0} is append-only'); END",
    # INSERT OR REPLACE deletes a row without its trigger.
    "CREATE TRIGGER {0}_insert BEFORE INSERT ON {0} WHEN EXISTS (SELECT * FROM {0} WHERE {1}) "
    "BEGIN SELECT RAISE(ABORT, '{0} is append-only'); END",
)


def create_triggers(apps, schema_editor):
    """Have the database refuse changes by the application."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    statements = (POSTGRESQL,) if is_postgresql else SQLITE
    if is_postgresql:
        schema_editor.execute(FUNCTION, params=None)
    seal = "position = NEW.position OR event_id = NEW.event_id"
    for table, same in (("audit_event", "id = NEW.id"), ("audit_seal", seal)):
        for statement in statements:
            schema_editor.execute(statement.format(table, same), params=None)


def drop_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION audit_refuse() CASCADE")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("time", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("expires", models.DateTimeField()),
                ("event", models.CharField(max_length=50)),
                ("outcome", models.CharField(max_length=255)),
                ("sub", models.CharField(blank=True, max_length=255)),
                ("act", models.CharField(blank=True, max_length=255)),
                ("client_id", models.CharField(blank=True, max_length=255)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("details", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("event", models.OneToOneField("audit.Event", DO_NOTHING, db_constraint=False)),
                ("expires", models.DateTimeField()),
                ("digest", models.CharField(max_length=64)),
                ("previous", models.CharField(blank=True, max_length=64)),
                ("mac", models.CharField(max_length=64)),
            ],
        ),
        migrations.RunPython(create_triggers, drop_function),
    ]
