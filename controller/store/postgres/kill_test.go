package postgres

func writerChild() {}
