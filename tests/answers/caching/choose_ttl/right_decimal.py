from decimal import Decimal

answer = Decimal("4")
