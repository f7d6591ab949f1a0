-- Set the administrator's password to .secrets/POSTGRES_PASSWORD, if the volume has another one:
-- docker compose exec postgres psql --file /etc/platform/set_password.sql
\set password `cat /run/secrets/POSTGRES_PASSWORD`
SET log_min_error_statement = panic;
SET password_encryption = 'scram-sha-256';
ALTER ROLE postgres PASSWORD :'password';
