package main

// Greeting is what the shop says.
type Greeting string

// NewGreeting is a provider: wire finds it by its type.
func NewGreeting() Greeting { return "hello from wire" }

// Shop needs a Greeting.
type Shop struct{ greeting Greeting }

// MakeShop is a provider: wire gives it what it asks for.
func MakeShop(greeting Greeting) *Shop { return &Shop{greeting} }

// Welcome is what a customer reads.
func (shop *Shop) Welcome() string { return string(shop.greeting) }
