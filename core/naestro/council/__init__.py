"""The council: roles, proposals, critique, synthesis, adjudication."""
