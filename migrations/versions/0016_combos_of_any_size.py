"""A strategy's position may have more legs than an order by hand."""

from alembic import op

revision = "0016_combos_of_any_size"
down_revision = "0015_page_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _allow("legs >= 2")


def downgrade() -> None:
    """Take back; combos of more legs that were written stay as they are."""
    _allow("legs between 2 and 8", unchecked=True)


def _allow(legs: str, *, unchecked: bool = False) -> None:
    op.drop_constraint(op.f("ck_combos_legs"), "combos", schema="execution")
    op.create_check_constraint(
        op.f("ck_combos_legs"),
        "combos",
        legs,
        schema="execution",
        postgresql_not_valid=unchecked,
    )
