package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

// A handler behind a limiter: ten requests a minute and a hundred a day for
// each account.
func Example() {
	free, err := ratelimit.ParsePlan("free", "10-M, 100-D")
	if err != nil {
		panic(err)
	}
	limiter, err := ratelimit.New(ratelimit.Config{
		Charge: func(r *http.Request) (string, *ratelimit.Plan) {
			return "acct_1", free // of the verified caller
		},
	})
	if err != nil {
		panic(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	})
	w := httptest.NewRecorder()
	limiter.Wrap(hello).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"))
	fmt.Println(w.Header().Get("RateLimit-Policy"))
	// Output:
	// 200 10 9
	// "minute";q=10;w=60, "day";q=100;w=86400
}

// Limits that the notation cannot express: a quota per billing month.
func ExampleNewPlan() {
	plan, err := ratelimit.NewPlan("metered",
		ratelimit.Limit{Quota: 60, Window: time.Minute},
		ratelimit.Limit{Quota: 50_000, Kind: ratelimit.Monthly, Anchor: 15},
	)
	fmt.Println(plan, err)
	// Output:
	// 60-M, 50000 per month <nil>
}

// Mistakes are reported together.
func ExampleParsePlan() {
	_, err := ratelimit.ParsePlan("typo", "60-m, 0-D")
	fmt.Println(err)
	// Output:
	// ratelimit: plan "typo": limit "60-m": the period is S, M, H or D
	// limit "0-D" is not of the form 60-M
}

// A store decides without HTTP.
func ExampleMemory_Take() {
	plan, err := ratelimit.ParsePlan("small", "1-M")
	if err != nil {
		panic(err)
	}
	memory := ratelimit.NewMemory(0)
	take := ratelimit.Take{Scope: "jobs", Subject: "acct_1", Plan: plan, Cost: 1}
	now := time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)
	for range 2 {
		d, err := memory.Take(context.Background(), take, now)
		if err != nil {
			panic(err)
		}
		fmt.Println(d.Allowed, d.Retry)
		now = now.Add(20 * time.Second)
	}
	// Output:
	// true 0s
	// false 40s
}

// The plan that applies to a caller, and why.
func ExamplePlans_Resolve() {
	free, _ := ratelimit.ParsePlan("free", "10-M, 100-D")
	standard, _ := ratelimit.ParsePlan("standard", "60-M, 10000-D")
	plans, err := ratelimit.NewPlans(ratelimit.PlansConfig{
		Plans:        []*ratelimit.Plan{free, standard},
		Default:      "free",
		Environments: map[string]string{"test": "free"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(plans.Resolve(ratelimit.Assignment{Environment: "live", Account: "standard"}))
	fmt.Println(plans.Resolve(ratelimit.Assignment{Environment: "live", Account: "standard", Limits: "600-M"}))
	fmt.Println(plans.Resolve(ratelimit.Assignment{Environment: "test", Account: "standard"}))
	// Output:
	// 60-M, 10000-D account
	// 600-M limits
	// 10-M, 100-D environment
}
