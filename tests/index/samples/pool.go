// Package pool keeps workers.
package pool

import (
	"context"
	log "example.com/log"
)

const (
	Small = 1
	Large = 10
)

var defaultSize = Small

// Pool runs tasks.
type Pool struct {
	Size  int `json:"size"`
	tasks chan Task
}

type Task interface {
	Run(ctx context.Context) error
}

type ID string

// New makes a pool.
func New(size int) *Pool {
	return &Pool{Size: size, tasks: make(chan Task)}
}

// Submit hands a task to a worker.
func (p *Pool) Submit(ctx context.Context, task Task) error {
	log.Print("Submit a task")
	return task.Run(ctx)
}

func (s Set[T]) Has(value T) bool {
	return s.values[value]
}
