package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/evaluate"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/sirupsen/logrus"
)

func answerTo(asked request) (given answer) {
	defer func() {
		if r := recover(); r != nil {
			given = answer{Outcome: "error", Kind: "panic", Message: fmt.Sprint(r)}
		}
	}()
	result := resultOf(asked.Result)
	if asked.Condition == nil {
		return phase(result, asked)
	}
	value, err := evaluate.EvalCondition(result, *asked.Condition)
	if err == nil {
		return answer{Outcome: strconv.FormatBool(value)}
	}
	given = place(result, *asked.Condition)
	given.Outcome, given.Message = "error", err.Error()
	return given
}

func phase(result any, asked request) answer {
	metric := v1alpha1.Metric{}
	if asked.Success != nil {
		metric.SuccessCondition = *asked.Success
	}
	if asked.Failure != nil {
		metric.FailureCondition = *asked.Failure
	}
	phase, err := evaluate.EvaluateResult(result, metric, *logrus.NewEntry(logrus.New()))
	given := answer{Outcome: string(phase)}
	if err != nil {
		given.Message = err.Error()
	}
	return given
}

// place runs the stages of EvalCondition one by one, because the evaluator itself tells neither which stage failed nor
// where. The functions have the types of utils/evaluate and, where they matter, its behaviour.
func place(result any, condition string) answer {
	env := map[string]any{
		"result":  result,
		"asInt":   func(any) int64 { return 0 },
		"asFloat": func(any) float64 { return 0 },
		"isNaN":   math.IsNaN,
		"isInf":   func(f float64) bool { return math.IsInf(f, 0) },
		"isNil":   func(any) bool { return result == nil },
		"default": func(_ any, other any) any {
			if result == nil {
				return other
			}
			return result
		},
	}
	config := conf.CreateNew()
	config.WithEnv(env)
	if _, err := parser.ParseWithConfig(condition, config); err != nil {
		return at("syntax", err)
	}
	program, err := expr.Compile(condition, expr.Env(env))
	if err != nil {
		return at("type", err)
	}
	output, err := expr.Run(program, env)
	if err != nil {
		return at("run", err)
	}
	if _, ok := output.(bool); !ok {
		return answer{Kind: "not bool"}
	}
	return answer{Kind: "run"} // one of the stand-ins succeeded where the real function does not
}

func at(kind string, err error) answer {
	given := answer{Kind: kind}
	var placed *file.Error
	if errors.As(err, &placed) && placed.Snippet != "" {
		given.Line, given.Column = placed.Line, placed.Column+1
	}
	return given
}

// resultOf reads the notation of fixtures/conditions.jsonl.
func resultOf(spelled string) any {
	kind, rest, _ := strings.Cut(spelled, ":")
	switch kind {
	case "f":
		return must(strconv.ParseFloat(rest, 64))
	case "i":
		return must(strconv.Atoi(rest))
	case "s":
		return rest
	case "sf":
		floats := []float64{}
		must(0, json.Unmarshal([]byte(rest), &floats))
		return floats
	case "json":
		var value any
		must(0, json.Unmarshal([]byte(rest), &value))
		return value
	case "nil":
		return nil
	case "rawnil":
		return (*float64)(nil)
	case "nan":
		return math.NaN()
	case "inf":
		return math.Inf(1)
	case "-inf":
		return math.Inf(-1)
	}
	panic("unknown kind of result: " + spelled)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

type measured struct {
	Result      string  `json:"result"`
	Condition   string  `json:"condition"`
	Nanoseconds float64 `json:"nanoseconds"`
	// Compiled is the cost of running an already compiled program, which the controller never does.
	Compiled float64 `json:"compiled"`
}

func measure(asked request, atLeast time.Duration) measured {
	result := resultOf(asked.Result)
	env := map[string]any{
		"result":  result,
		"asInt":   func(v any) int64 { return int64(v.(float64)) },
		"asFloat": func(v any) float64 { return v.(float64) },
		"isNaN":   math.IsNaN,
		"isInf":   func(f float64) bool { return math.IsInf(f, 0) },
		"isNil":   func(any) bool { return result == nil },
		"default": func(_ any, other any) any {
			if result == nil {
				return other
			}
			return result
		},
	}
	program := must(expr.Compile(*asked.Condition, expr.Env(env)))
	return measured{
		Result:    asked.Result,
		Condition: *asked.Condition,
		Nanoseconds: each(atLeast, func() {
			must(evaluate.EvalCondition(result, *asked.Condition))
		}),
		Compiled: each(atLeast, func() {
			must(expr.Run(program, env))
		}),
	}
}

// each returns the nanoseconds of one call, the best of three rounds.
func each(atLeast time.Duration, call func()) float64 {
	best := math.Inf(1)
	for range 3 {
		calls, begin := 0, time.Now()
		for time.Since(begin) < atLeast/3 {
			for range 64 {
				call()
			}
			calls += 64
		}
		best = min(best, float64(time.Since(begin).Nanoseconds())/float64(calls))
	}
	return best
}
