answer = "ATTACH 'stolen.db' AS stolen"
