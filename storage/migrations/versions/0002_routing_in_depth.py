"""What routing in depth remembers: answers, vectors, profiles, waves, suggestions, consents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("expert", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"],
            ["questions.id"],
            name=op.f("fk_answers_question_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("event_id", name=op.f("uq_answers_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_question_id", "answers", ["question_id"])
    op.create_index("ix_answers_expert", "answers", ["expert"])
    op.create_table(
        "vectors",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_vectors")),
    )
    op.create_table(
        "profiles",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("days", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("starts", sa.String(), nullable=True),
        sa.Column("ends", sa.String(), nullable=True),
        sa.Column("ceiling", sa.Integer(), nullable=True),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wants_summary", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_profiles")),
    )
    op.create_table(
        "suggestions",
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("known_id", sa.Integer(), nullable=False),
        sa.Column("likeness", sa.Double(), nullable=False),
        sa.Column("helped", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["question_id"],
            ["questions.id"],
            name=op.f("fk_suggestions_question_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["known_id"], ["questions.id"], name=op.f("fk_suggestions_known_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("question_id", "known_id", name=op.f("pk_suggestions")),
    )
    op.create_table(
        "consents",
        sa.Column("question_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["question_id"],
            ["questions.id"],
            name=op.f("fk_consents_question_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("question_id", "user_id", name=op.f("pk_consents")),
    )
    op.create_table(
        "rankers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("weights", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("figures", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rankers")),
    )
    with op.batch_alter_table("questions") as batch:
        batch.add_column(
            sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column("wave", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("helped", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("merged_into", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True))
        batch.create_index("ix_questions_merged_into", ["merged_into"])
    with op.batch_alter_table("offers") as batch:
        batch.add_column(sa.Column("wave", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("passed_because", sa.String(), nullable=True))
        batch.add_column(sa.Column("referred_by", sa.String(), nullable=True))
        batch.add_column(sa.Column("parts", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("offers") as batch:
        for column in ("parts", "referred_by", "passed_because", "wave"):
            batch.drop_column(column)
    with op.batch_alter_table("questions") as batch:
        batch.drop_index("ix_questions_merged_into")
        for column in ("kept_at", "merged_into", "helped", "wave", "urgent"):
            batch.drop_column(column)
    for table in ("rankers", "consents", "suggestions", "profiles", "vectors", "answers"):
        op.drop_table(table)
