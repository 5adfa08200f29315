package console

func childMain() bool { return false }
