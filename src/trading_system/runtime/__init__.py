"""What `trading up` runs: databases from wheels, migrations, processes, their order."""
