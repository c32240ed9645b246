answer = " D "
