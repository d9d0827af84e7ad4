package ratelimit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxLimits is the number of limits that a plan may have.
const maxLimits = 4

// A Plan is a named list of limits that are decided together. It is immutable,
// and safe for concurrent use.
type Plan struct {
	name    string
	limits  []Limit
	windows []window // one for each limit, as Memory keeps them
	words   int      // of a record in Memory
	texts   []limitText
	policy  string // the RateLimit-Policy field
	shared  *Shared
}

// NewPlan returns a plan of 1 to 4 limits. Headers list them in this order. It
// returns every mistake in one error:
//
//   - a limit is invalid.
//   - two limits have the same name, or the same kind and window.
//   - a longer limit has a smaller quota than a shorter one, which could then
//     never be used up.
func NewPlan(name string, limits ...Limit) (*Plan, error) {
	p := &Plan{name: name, limits: slices.Clone(limits)}
	var errs []error
	if name == "" {
		errs = append(errs, errors.New("a plan needs a name"))
	}
	if len(limits) == 0 || len(limits) > maxLimits {
		errs = append(errs, fmt.Errorf("%d limits; a plan has 1 to %d", len(limits), maxLimits))
	}
	for i := range p.limits {
		l := &p.limits[i]
		if err := l.resolve(); err != nil {
			errs = append(errs, err)
			continue
		}
		// Every limit is compared with those before it, so each pair is
		// compared once.
		for j := range i {
			errs = append(errs, l.clash(&p.limits[j]))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: plan %q: %w", name, err)
	}
	p.compile()
	p.render()
	p.share()
	return p, nil
}

// clash returns why l and o cannot be in one plan, or nil.
func (l *Limit) clash(o *Limit) error {
	var errs []error
	if l.Name == o.Name {
		errs = append(errs, fmt.Errorf("two limits are named %q", l.Name))
	}
	if l.Kind == o.Kind && l.Window == o.Window {
		errs = append(errs, fmt.Errorf("limits %q and %q have the same window", o.Name, l.Name))
	}
	short, long := l, o
	if short.period() > long.period() {
		short, long = long, short
	}
	if short.period() < long.period() && short.Quota > long.Quota {
		errs = append(errs, fmt.Errorf("limit %q allows less than the shorter %q: %d < %d",
			long.Name, short.Name, long.Quota, short.Quota))
	}
	return errors.Join(errs...)
}

// Name returns the name of the plan.
func (p *Plan) Name() string { return p.name }

// Limits returns a copy of the limits, with every default filled in.
func (p *Plan) Limits() []Limit { return slices.Clone(p.limits) }

// String returns the limits in the notation of [ParsePlan], such as "60-M,
// 10000-D". It writes a limit in words if the notation cannot express it.
func (p *Plan) String() string {
	s := make([]string, len(p.limits))
	for i := range p.limits {
		s[i] = p.limits[i].notation()
	}
	return strings.Join(s, ", ")
}
