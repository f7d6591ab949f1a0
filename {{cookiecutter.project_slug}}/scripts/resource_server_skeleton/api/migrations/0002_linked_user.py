"""Move issuer, sub and name of resource owners to the table of oauth_resource_server."""

from django.db import migrations


def link(apps, schema_editor):
    ResourceOwner = apps.get_model("api", "ResourceOwner")
    LinkedUser = apps.get_model("oauth_resource_server", "LinkedUser")
    people = ResourceOwner.objects.exclude(sub=None).iterator()
    LinkedUser.objects.bulk_create(
        (LinkedUser(issuer=one.issuer, sub=one.sub, name=one.name, user=one) for one in people),
        batch_size=1000,
    )


def unlink(apps, schema_editor):
    ResourceOwner = apps.get_model("api", "ResourceOwner")
    links = apps.get_model("oauth_resource_server", "LinkedUser").objects.all()
    for link in links:
        people = ResourceOwner.objects.filter(pk=link.user_id)
        people.update(issuer=link.issuer, sub=link.sub, name=link.name)
    links.delete()


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial"), ("oauth_resource_server", "0001_initial")]

    operations = [
        migrations.RunPython(link, unlink),
        migrations.RemoveConstraint("ResourceOwner", "api_resourceowner_issuer_and_sub"),
        migrations.RemoveField("ResourceOwner", "issuer"),
        migrations.RemoveField("ResourceOwner", "sub"),
        migrations.RemoveField("ResourceOwner", "name"),
    ]
