package ratelimit

import (
	"errors"
	"fmt"
	"sync"
)

// PlansConfig lists the plans of an application, and says who has which.
type PlansConfig struct {
	// Plans have distinct names. Required.
	Plans []*Plan
	// Default is the plan of those who have no other one. Required.
	Default string
	// Environments gives all callers of an environment one plan, as in {"test":
	// "free"}. Default: none.
	Environments map[string]string
}

// Plans returns the plan of each caller. It is safe for concurrent use.
type Plans struct {
	plans        map[string]*Plan
	environments map[string]*Plan
	fallback     *Plan

	mu     sync.RWMutex
	parsed map[string]*Plan // by notation; nil: the notation is invalid
}

const (
	maxParsed   = 1024
	maxNotation = 128 // longer than four limits of 19 digits
)

// NewPlans returns the Plans of c, or an error that names every mistake.
func NewPlans(c PlansConfig) (*Plans, error) {
	p := &Plans{
		plans:        make(map[string]*Plan),
		environments: make(map[string]*Plan),
		parsed:       make(map[string]*Plan),
	}
	var errs []error
	for i, plan := range c.Plans {
		if plan == nil {
			errs = append(errs, fmt.Errorf("plan %d is nil", i))
			continue
		}
		if p.plans[plan.name] != nil {
			errs = append(errs, fmt.Errorf("two plans are named %q", plan.name))
		}
		p.plans[plan.name] = plan
	}
	if p.fallback = p.plans[c.Default]; p.fallback == nil {
		errs = append(errs, fmt.Errorf("the default plan %q does not exist", c.Default))
	}
	for env, name := range c.Environments {
		if p.environments[env] = p.plans[name]; p.plans[name] == nil {
			errs = append(errs, fmt.Errorf("the plan %q of environment %q does not exist", name, env))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	return p, nil
}

// An Assignment is what is known about the plan of a caller. A field is "" if
// nothing is.
type Assignment struct {
	Environment string
	Key         string // the plan of the key itself
	Limits      string // the account's own limits, in the notation of ParsePlan
	Account     string // the account's plan
}

// Resolve returns the plan of a caller, and where it comes from. It is the
// first of:
//
//	"environment"   the plan of the environment
//	"key"           the key's own plan
//	"limits"        the account's own limits; the plan is named "custom"
//	"account"       the account's plan
//	"default"       nothing else is known
//
// A plan that does not exist and limits that are invalid give the default as
// well, with the sources "default (unknown plan)" and "default (invalid
// limits)". So a mistake in a record leaves its account limited.
func (p *Plans) Resolve(a Assignment) (plan *Plan, source string) {
	if plan := p.environments[a.Environment]; plan != nil {
		return plan, "environment"
	}
	switch {
	case a.Key != "":
		return p.named(a.Key, "key")
	case a.Limits != "":
		if plan := p.custom(a.Limits); plan != nil {
			return plan, "limits"
		}
		return p.fallback, "default (invalid limits)"
	case a.Account != "":
		return p.named(a.Account, "account")
	}
	return p.fallback, "default"
}

// named returns the plan of that name, or the default.
func (p *Plans) named(name, source string) (*Plan, string) {
	if plan := p.plans[name]; plan != nil {
		return plan, source
	}
	return p.fallback, "default (unknown plan)"
}

// custom returns the plan of a notation. It keeps what it has parsed, also that
// a notation is invalid. The number it keeps is bounded: a notation comes from
// a record, and records are many.
func (p *Plans) custom(notation string) *Plan {
	if len(notation) > maxNotation {
		return nil
	}
	p.mu.RLock()
	plan, ok := p.parsed[notation]
	p.mu.RUnlock()
	if ok {
		return plan
	}
	plan, _ = ParsePlan("custom", notation) // nil if it is invalid
	p.mu.Lock()
	defer p.mu.Unlock()
	// Clearing all is rare, and costs one parse for each notation in use.
	if len(p.parsed) >= maxParsed {
		clear(p.parsed)
	}
	p.parsed[notation] = plan
	return plan
}
