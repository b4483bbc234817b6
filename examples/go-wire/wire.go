//go:build wireinject

package main

import "github.com/google/wire"

// NewShop is written by wire, into wire_gen.go.
func NewShop() *Shop {
	wire.Build(MakeShop, NewGreeting)
	return nil
}
