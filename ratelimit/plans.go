package ratelimit

import (
	"errors"
	"fmt"
	"sync"
)

// PlansConfig lists the plans of an application.
type PlansConfig struct {
	// Plans have distinct names. Required.
	Plans []*Plan
	// Default is the plan of those who have no other. Required.
	Default string
	// Environments forces a plan on an environment, as in "test": "free".
	Environments map[string]string
}

// Plans tells which plan applies to whom. It is safe for concurrent use.
type Plans struct {
	plans        map[string]*Plan
	environments map[string]*Plan
	fallback     *Plan

	mu     sync.RWMutex
	parsed map[string]*Plan // by notation; nil: not a plan
}

const (
	maxParsed   = 1024
	maxNotation = 128 // more than four limits of 19 digits take
)

// NewPlans checks c and reports all that is wrong with it together.
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

// An Assignment is what is known about a caller's plan; "" where nothing is.
type Assignment struct {
	Environment string
	Key         string // the plan of the key itself
	Limits      string // the account's own limits, in the notation of ParsePlan
	Account     string // the account's plan
}

// Resolve returns the plan that applies and where it comes from, the first of:
//
//	"environment"               the plan forced on the environment
//	"key"                       the key's own plan
//	"limits"                    the account's own limits; the plan is named "custom"
//	"account"                   the account's plan
//	"default"                   nothing else is said
//
// A name that no plan has and limits that do not parse give the default too,
// as "default (unknown plan)" and "default (invalid limits)".
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

func (p *Plans) named(name, source string) (*Plan, string) {
	if plan := p.plans[name]; plan != nil {
		return plan, source
	}
	return p.fallback, "default (unknown plan)"
}

// custom parses a notation, or returns what it gave the last time.
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
	plan, _ = ParsePlan("custom", notation) // nil is remembered too
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.parsed) >= maxParsed {
		clear(p.parsed)
	}
	p.parsed[notation] = plan
	return plan
}
